"""The gate: what tells of persons is refused before anything of it is kept."""
