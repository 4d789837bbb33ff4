//! Who asks: peer credentials and proofs become a requester.
