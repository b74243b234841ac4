"""How good the detection is: Outpace and its peers on the same labelled cases, at the same false-revocation rate."""
