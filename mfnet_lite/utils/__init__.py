"""What every room may use: whole files, devices, hashes, provenance."""
