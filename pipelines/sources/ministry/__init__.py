"""The Ministry of the Interior's files of single rounds."""
