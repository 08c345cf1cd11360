"""The command line and what stands behind its verbs: thin shells around the stages."""
