package rw

// Look reads a shared word.
func (l *Mutex) Look() { l.core.head.lock.Admits() }
