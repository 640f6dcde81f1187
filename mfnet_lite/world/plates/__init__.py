"""The procedural world of vehicles and number plates, which SamLP learns from."""
