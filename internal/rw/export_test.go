package rw

// Look reads a shared word.
func (l *RWMutex) Look() { l.core.head.lock.Admits() }
