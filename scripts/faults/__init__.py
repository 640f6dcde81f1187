"""What happens when something goes wrong: damaged files, full disks, absurd sizes, kills at any moment."""
