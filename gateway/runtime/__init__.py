"""The peer as a whole: `running` serves, `peer` builds its parts and runs their tasks, `telling` tells the owner."""
