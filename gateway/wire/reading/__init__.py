"""What a request holds beyond what is read of each: worked out when somebody asks for it."""
