"""What was decided, approved, commanded and done, so that changing it afterwards shows. Hashing and proofs only; storing is the outside's."""
