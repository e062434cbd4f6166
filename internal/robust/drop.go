package robust

// Drop unlocks a mutex that the caller holds on behalf of its own operation
// inside an object, also after the segment was closed: nobody else gives such a
// lock back. The caller has pinned the mapping since before it locked.
func (m *Mutex) Drop() {
	m.sync.Release()
	if !m.words.w.CompareAndSwap(m.rest|m.slot, m.rest) { // commit; pairs with: robust.free (Lock)
		_ = m.unlockSlow() // not held: somebody scribbled over the word
	}
}
