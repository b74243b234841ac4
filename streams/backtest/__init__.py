"""The backtest: labelled cases in, one table out. How many attacks would have been contained, after how many actions, at what price in false alarms."""
