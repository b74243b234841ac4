"""Speed and detection quality, one command each; every figure the project states is printed by one of them."""
