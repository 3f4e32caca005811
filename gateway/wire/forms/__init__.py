"""An answer in the form that its client asked for, where an engine gives the other: events, or one body."""
