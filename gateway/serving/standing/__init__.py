"""Requests that a worker answers by itself: what it may, and what is made of each."""
