"""Experiments with MFuser: does what two encoders see together generalise?"""
