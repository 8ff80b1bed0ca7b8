"""Today's permissions as this portal's database knows them, and their check against Twilio."""
