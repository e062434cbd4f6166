//go:build linux

package soak

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
)

// kit makes and reads messages of one type.
type kit[T any] struct {
	build func(x *T, stream, seq uint32) // x is what a loan's Value is, or a zero T
	read  func(x *T) (stream, seq uint32, err error)
}

// parcel is a message of fixed layout: words that all follow from the first two.
type parcel[A any] struct {
	Stream, Seq uint32
	Words       A
}

func wordAt(stream, seq uint32, i int) uint32 { return (stream*2654435761+seq)*40503 + uint32(i) }

func fixedKit[A any](words func(*A) []uint32) kit[parcel[A]] {
	return kit[parcel[A]]{
		build: func(x *parcel[A], stream, seq uint32) {
			x.Stream, x.Seq = stream, seq
			for i, w := 0, words(&x.Words); i < len(w); i++ {
				w[i] = wordAt(stream, seq, i)
			}
		},
		read: func(x *parcel[A]) (uint32, uint32, error) {
			for i, w := range words(&x.Words) {
				if w != wordAt(x.Stream, x.Seq, i) {
					return 0, 0, fmt.Errorf("message %d of %d is torn at word %d", x.Seq, x.Stream, i)
				}
			}
			return x.Stream, x.Seq, nil
		},
	}
}

// bytesKit makes messages of up to most bytes, most of which are short.
func bytesKit(most int) kit[[]byte] {
	const head = 12
	return kit[[]byte]{
		build: func(x *[]byte, stream, seq uint32) {
			n := head + rand.IntN(200)
			if rand.IntN(3) == 0 {
				n = head + rand.IntN(most-head+1)
			}
			b := *x
			if cap(b) < n {
				b = make([]byte, n)
			}
			b = b[:n]
			for i := head; i < n; i++ {
				b[i] = byte(wordAt(stream, seq, i/4) >> (i % 4 * 8))
			}
			binary.LittleEndian.PutUint32(b, stream)
			binary.LittleEndian.PutUint32(b[4:], seq)
			binary.LittleEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[head:])+stream*31+seq+uint32(n))
			*x = b
		},
		read: func(x *[]byte) (uint32, uint32, error) {
			b := *x
			if len(b) < head {
				return 0, 0, fmt.Errorf("a message of %d bytes", len(b))
			}
			stream, seq := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
			if binary.LittleEndian.Uint32(b[8:]) != crc32.ChecksumIEEE(b[head:])+stream*31+seq+uint32(len(b)) {
				return 0, 0, fmt.Errorf("message %d of %d is torn (%d bytes)", seq, stream, len(b))
			}
			return stream, seq, nil
		},
	}
}

// letter is a message that has to be encoded.
type letter struct {
	Stream, Seq uint32
	Text        string
	Words       []uint32
}

func write(stream, seq uint32) letter {
	x := letter{Stream: stream, Seq: seq, Text: strings.Repeat("x", int(seq%300))}
	for i := range seq % 50 {
		x.Words = append(x.Words, wordAt(stream, seq, int(i)))
	}
	return x
}

func letterKit() kit[letter] {
	return kit[letter]{
		build: func(x *letter, stream, seq uint32) { *x = write(stream, seq) },
		read: func(x *letter) (uint32, uint32, error) {
			want := write(x.Stream, x.Seq)
			if x.Text != want.Text || !slices.Equal(x.Words, want.Words) {
				return 0, 0, fmt.Errorf("message %d of %d is garbled: %+v", x.Seq, x.Stream, *x)
			}
			return x.Stream, x.Seq, nil
		},
	}
}
