"""What tenants are told of: new data and changes of the model (design 9)."""
