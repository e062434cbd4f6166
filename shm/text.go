package shm

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// textPrefix begins the text of a segment: "shoal1:<id in hex>:<path>", where
// the path is empty if the segment has no name.
const textPrefix = "shoal1:"

// unmarshalPatience is how long UnmarshalText waits for a segment.
const unmarshalPatience = 10 * time.Second

type segmentText struct{ id, path string }

func parseText(text string) (segmentText, error) {
	rest, ok := strings.CutPrefix(text, textPrefix)
	id, path, ok2 := strings.Cut(rest, ":")
	raw, err := hex.DecodeString(id)
	if !ok || !ok2 || err != nil || len(raw) != 16 {
		return segmentText{}, fmt.Errorf("shm: %.80q is not the text of a segment: %w", text, fs.ErrInvalid)
	}
	if path != "" && (!filepath.IsAbs(path) || filepath.Ext(path) != fileSuffix) {
		return segmentText{}, fmt.Errorf("shm: %.80q has an impossible path: %w", text, fs.ErrInvalid)
	}
	return segmentText{id: string(raw), path: path}, nil
}

// MarshalText returns a text by which another process opens the segment: its
// identity and, if it has a name, its path. The text of an anonymous segment
// opens in children that were given it, and in processes that have it open.
func (s *Segment) MarshalText() ([]byte, error) {
	u, m := s.enter()
	if m == nil {
		return nil, u.gone()
	}
	defer object.Unpin(m)
	return []byte(textPrefix + hex.EncodeToString([]byte(u.a.ident)) + ":" + u.a.path), nil
}

// UnmarshalText opens the segment that text names, once a process: every text
// of one segment gives the same use of it, which lasts until Close or the end
// of the process. It waits at most ten seconds. A segment that has ended is
// fs.ErrNotExist. s must be a zero Segment.
func (s *Segment) UnmarshalText(text []byte) error {
	t, err := parseText(string(text))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), unmarshalPatience)
	defer cancel()
	u, err := opened.byText(ctx, t)
	if err != nil {
		return opError("open", segmentName(t.path), err)
	}
	s.u.Store(u)
	return nil
}

// byText returns this process's use of the segment that a text names.
func (r *registry) byText(ctx context.Context, t segmentText) (*use, error) {
	for {
		if u := r.known(t.id); u != nil {
			return u, nil
		}
		seg, err := r.openText(ctx, t)
		if err != nil {
			return nil, err
		}
		u := seg.u.Load()
		r.mu.Lock()
		if other := r.texts[t.id]; other == nil || other.Closed() {
			r.texts[t.id] = u
			r.mu.Unlock()
			return u, nil
		}
		r.mu.Unlock()
		_ = u.close() // another goroutine was faster
	}
}

func (r *registry) known(id string) *use {
	r.mu.Lock()
	defer r.mu.Unlock()
	if u := r.texts[id]; u != nil && !u.Closed() {
		return u
	}
	return nil
}

func (r *registry) openText(ctx context.Context, t segmentText) (*Segment, error) {
	for _, a := range r.all() {
		if a.ident != t.id {
			continue
		}
		if u, ok := a.open(); ok {
			return newSegment(u), nil
		}
	}
	r.mu.Lock()
	given := r.inherited[t.id]
	r.mu.Unlock()
	opts := &Options{AnyOwner: true} // whoever gave the text vouches for it
	var seg *Segment
	var err error
	switch {
	case given != nil:
		seg, err = FromFile(ctx, given, opts)
	case t.path != "":
		seg, err = openPath(ctx, t.path, opts)
	default:
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	if seg.u.Load().a.ident != t.id {
		_ = seg.Close()
		return nil, fs.ErrNotExist // the name is another segment's by now
	}
	return seg, nil
}

// FromFile opens the segment that f, from Segment.File or a service manager,
// refers to. f stays the caller's and may be closed afterwards. It waits as Open does.
func FromFile(ctx context.Context, f *os.File, opts *Options) (*Segment, error) {
	for {
		own, err := reopen(ctx, f, opts)
		if err != nil {
			return nil, opError("open", f.Name(), err)
		}
		// A segment that lost its name is as good by its descriptor.
		seg, err := openFile(ctx, own, pathOfFile(own), opts)
		if !errors.Is(err, errAgain) {
			return seg, opError("open", f.Name(), err)
		}
	}
}

func reopen(ctx context.Context, f *os.File, opts *Options) (*os.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// Opening anew what is no file may wait, or do who knows what.
	if err := checkRegular(f); err != nil {
		return nil, err
	}
	if opts != nil && opts.ReadOnly {
		return sys.ReopenReadOnly(f)
	}
	return sys.Reopen(f)
}

// pathOfFile returns the name of a segment's file; empty if it has none.
func pathOfFile(f *os.File) string {
	path, err := sys.PathOf(f)
	if err != nil || filepath.Ext(path) != fileSuffix {
		return ""
	}
	return path
}

// segmentName returns the name of the segment whose file has that path, for errors.
func segmentName(path string) string {
	if path == "" {
		return anonymousName
	}
	return strings.TrimSuffix(filepath.Base(path), fileSuffix)
}
