"""The page in a real browser: with three live peers, and on a stage that shows as many as it likes."""
