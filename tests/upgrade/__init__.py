"""What every later version is held to: rules for migrations, and a database of 0.9.0 that is brought up to date."""
