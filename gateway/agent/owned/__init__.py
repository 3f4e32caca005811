"""Which personal agents this peer has, and for whom: their files, their rows on engines, who may use them."""
