"""The nouns of Isoloir: no input or output, no learning."""
