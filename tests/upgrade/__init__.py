"""What every later version is held to: rules for migrations, and a database of 0.9.0 that is brought up to date."""

# The dumps' checkpoint is signed with a key that repeats itself, which starts no portal any more.
SIGNED_BY = "127.0.0.1/audit+d70e2d6b+AZvvnKAZdkUfRpGSMvQobh3uR30uvEXv/5SUupGoFOhb"
