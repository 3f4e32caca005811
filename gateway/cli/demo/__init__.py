"""`ppai demo`: three peers on this machine, each with an agent of its own, answering as one; one of them is killed."""
