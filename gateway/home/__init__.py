"""The peer's folder, and the weights it keeps."""
