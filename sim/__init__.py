"""The simulator: meshes of the code that the daemon runs, in virtual time."""
