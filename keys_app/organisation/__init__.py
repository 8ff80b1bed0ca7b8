"""Teams, members, deputies and Twilio accounts, and what each user may do because of them."""
