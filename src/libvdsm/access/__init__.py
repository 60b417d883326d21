"""Who a caller is and what that allows (DESIGN 7): default deny."""
