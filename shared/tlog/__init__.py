"""The transparency log without any I/O: trees and proofs (RFC 6962), tiles, notes and witnesses (C2SP)."""
