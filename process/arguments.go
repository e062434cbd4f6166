package process

import (
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/internal/duplex"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/sys"
	"github.com/shoal-ipc/shoal/shm"
)

// parcel is a call and its argument on the way.
type parcel struct {
	call
	data        []byte     // the encoded argument
	descriptors []*os.File // the parent's duplicates: first the files, then the segments
	ends        []passage  // the ends of pipes, in the parent
}

// close closes the descriptors that were duplicated for the child.
func (p *parcel) close() {
	for _, f := range p.descriptors {
		_ = f.Close() // only read or passed on
	}
}

// codecFor returns the codec of arguments of type A.
func codecFor[A any]() (*codec.Codec[A], error) {
	c, err := codec.For[A](fileType())
	if e, ok := errors.AsType[*mem.LayoutError](err); ok {
		return nil, &shm.TypeError{Type: e.Type, Path: e.Path, Reason: e.Reason}
	}
	return c, err
}

// pack encodes *args and collects the descriptors that it needs.
func pack[A any](codecOf func() (*codec.Codec[A], error), args *A) (*parcel, error) {
	c, err := codecOf()
	if err != nil {
		return nil, err
	}
	b := &packer{p: &parcel{}, files: map[*os.File]int{}, segments: map[string]bool{}}
	if c.Form() == codec.CBOR { // no other form can hold what needs a descriptor
		w := &walk{visitor: b}
		err = w.visit(reflect.ValueOf(args).Elem())
	}
	if err == nil {
		err = b.duplicate()
	}
	if err == nil {
		b.p.data, err = c.Append(nil, *args)
	}
	if err != nil {
		b.discard()
		return nil, err
	}
	return b.p, nil
}

// packer collects what an argument refers to outside of itself.
type packer struct {
	p        *parcel
	order    []*os.File
	files    map[*os.File]int
	segments map[string]bool
	maps     []*os.File // descriptors of the segments
}

func (b *packer) discard() {
	b.p.close()
	for _, f := range b.maps {
		_ = f.Close() // only passed on
	}
}

// file notes f. The same file twice is one file in the child too.
func (b *packer) file(f *os.File) (*os.File, error) {
	i, ok := b.files[f]
	if !ok {
		i = len(b.order)
		b.files[f] = i
		b.order = append(b.order, f)
	}
	b.p.Visits = append(b.p.Visits, i)
	return f, nil
}

// segment opens a descriptor of seg for the child.
func (b *packer) segment(seg *shm.Segment) error {
	text, err := seg.MarshalText()
	if err != nil {
		return err
	}
	if b.segments[string(text)] {
		return nil
	}
	f, err := seg.File()
	if err != nil {
		return err
	}
	b.segments[string(text)] = true
	b.p.Segments = append(b.p.Segments, text)
	b.maps = append(b.maps, f)
	return nil
}

// end notes an end of a pipe, and whose it is now.
func (b *packer) end(e *duplex.End) { b.p.ends = append(b.p.ends, passage{e, e.Ticket()}) }

// duplicate makes the descriptors of files, and puts those of the segments behind.
func (b *packer) duplicate() error {
	for _, f := range b.order {
		dup, err := sys.Duplicate(f)
		if err != nil {
			return err
		}
		b.p.descriptors = append(b.p.descriptors, dup)
		b.p.Files = append(b.p.Files, f.Name())
	}
	b.p.descriptors = append(b.p.descriptors, b.maps...)
	b.maps = nil
	return nil
}

// unpack decodes the argument in the child, and gives it the descriptors that
// the child was started with.
func unpack[A any](codecOf func() (*codec.Codec[A], error), p *parcel, args *A) error {
	c, err := codecOf()
	if err != nil {
		return err
	}
	r, err := p.adopt()
	if err != nil {
		return fmt.Errorf("process: take over descriptors: %w", err)
	}
	err = c.Decode(p.data, args)
	p.data = nil // it may be large
	if err == nil && c.Form() == codec.CBOR {
		w := &walk{visitor: r, restores: true}
		err = w.visit(reflect.ValueOf(args).Elem())
	}
	if err == nil && len(r.visits) != 0 {
		err = fmt.Errorf("%d of its files did not arrive", len(r.visits))
	}
	if err != nil {
		return fmt.Errorf("process: decode the argument: %w", err)
	}
	return nil
}

// adopt takes over the descriptors of files and segments.
func (p *parcel) adopt() (*restorer, error) {
	r := &restorer{visits: p.Visits}
	next := firstDescriptor
	for _, name := range p.Files {
		f, err := sys.Adopt(next, name)
		if err != nil {
			return nil, err
		}
		r.files = append(r.files, f)
		next++
	}
	for _, text := range p.Segments {
		f, err := sys.Adopt(next, "segment")
		if err != nil {
			return nil, err
		}
		if err := object.Inside().Inherit(text, f); err != nil {
			return nil, err
		}
		next++
	}
	return r, nil
}

// restorer puts the inherited files where they stood in the parent's argument.
type restorer struct {
	files  []*os.File
	visits []int
}

func (r *restorer) file(*os.File) (*os.File, error) {
	if len(r.visits) == 0 || r.visits[0] >= len(r.files) {
		return nil, errors.New("a file too many")
	}
	f := r.files[r.visits[0]]
	r.visits = r.visits[1:]
	return f, nil
}

// segment has nothing to do: decoding has opened it.
func (r *restorer) segment(*shm.Segment) error { return nil }
