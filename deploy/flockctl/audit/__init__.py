"""What `flockctl audit` needs beside its commands: reading a log over HTTPS, keeping heads, being a witness."""
