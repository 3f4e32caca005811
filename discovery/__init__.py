"""The discovery room: who is out there, who they are, and how they are doing. Knows nothing of models or scores."""
