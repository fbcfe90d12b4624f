"""The server's database: what people did on it. Scans, consent and access stay in files of the study."""
