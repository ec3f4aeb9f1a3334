"""Who somebody is: passwords, SASL mechanisms, lock-out, and what a user may do."""
