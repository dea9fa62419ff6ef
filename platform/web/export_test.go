package web

// Keys returns how many addresses have a bucket of a class.
func (s *Server) Keys(class Class) int {
	b := s.limiters[class].address
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.by.Len()
}
