"""What pages may send us, typed."""
