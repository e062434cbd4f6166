package mem

// repeat is where a layout has bools: n times, stride bytes apart, from off on.
// inner is what each time has there; if it is empty, one bool.
type repeat struct {
	off, n, stride int64
	inner          []repeat
}

// HasBools reports whether Normalize does anything.
func (l *Layout) HasBools() bool { return len(l.bools) > 0 }

// Normalize makes 1 of every bool in b that is neither 0 nor 1. b is a private
// copy of one value that another process may have written: Go code that meets
// another byte as a bool takes both branches of an if, or none.
func (l *Layout) Normalize(b []byte) {
	if len(l.bools) > 0 && int64(len(b)) >= l.Size {
		normalize(l.bools, b)
	}
}

func normalize(runs []repeat, b []byte) {
	for _, r := range runs {
		for i := range r.n {
			at := r.off + i*r.stride
			if len(r.inner) > 0 {
				normalize(r.inner, b[at:])
			} else if b[at] > 1 {
				b[at] = 1
			}
		}
	}
}
