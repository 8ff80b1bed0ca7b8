"""The ledger: recording, searching, proving and exporting what happened."""
