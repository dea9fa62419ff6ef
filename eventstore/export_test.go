package eventstore

// Stirred is closed when the readers are woken next.
func (s *Store) Stirred() <-chan struct{} { return s.stir.next() }
