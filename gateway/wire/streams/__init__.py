"""Events of a stream that need not be read one by one to be passed on."""
