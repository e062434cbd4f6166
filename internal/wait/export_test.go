package wait

// Word returns the value of the point's word.
func (p *Point) Word() uint32 { return p.word.Load() }
