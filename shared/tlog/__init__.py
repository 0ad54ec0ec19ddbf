"""The transparency log without any I/O: RFC 6962 trees and proofs, C2SP tiles, notes, checkpoints, witnesses, verification."""
