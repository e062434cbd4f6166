package pool

import "iter"

// books are the chunks that have not ended, by their ids.
type books struct {
	places []*chunk
	free   []uint32
	serial uint32
}

// mostSerial leaves a bit of an id for a stop word.
const mostSerial = 1<<31 - 1

// add gives c an id.
func (b *books) add(c *chunk) {
	if len(b.free) == 0 {
		b.free = append(b.free, uint32(len(b.places)))
		b.places = append(b.places, nil)
	}
	i := b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	b.serial = b.serial%mostSerial + 1
	c.id = uint64(b.serial)<<32 | uint64(i)
	b.places[i] = c
}

// find returns the chunk of that id, or nil.
func (b *books) find(id uint64) *chunk {
	i := uint32(id)
	if int64(i) >= int64(len(b.places)) || b.places[i] == nil || b.places[i].id != id {
		return nil
	}
	return b.places[i]
}

func (b *books) remove(c *chunk) {
	b.places[uint32(c.id)] = nil
	b.free = append(b.free, uint32(c.id))
}

func (b *books) all() iter.Seq[*chunk] {
	return func(yield func(*chunk) bool) {
		for _, c := range b.places {
			if c != nil && !yield(c) {
				return
			}
		}
	}
}
