// Prove runs all proofs in full, in the checkout that is the current folder, and
// prints one line for each kind with what it tried. It fails if a proof fails, or
// if a kind reports nothing.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/shoal-ipc/shoal/internal/proof"
)

// Proofs that both builds could run, by what the names of their tests begin with:
// each is run in the build in which it shows more. Histories are disturbed at single
// steps with the hook; litmus tests and scribbling want the code as it is shipped.
const (
	hooked  = "^TestProofLinear"
	shipped = "^TestProof(Litmus|Scribbler|Truncated)"
)

// runs are the two builds that proofs need: with a hook at every shared atomic,
// and as it is shipped.
func runs() [][]string {
	return [][]string{
		{"test", "-count=1", "-v", "-timeout", "30m", "-run", "^TestProof", "-skip", shipped, "-tags", "shmcheck", "./..."},
		{"test", "-count=1", "-v", "-timeout", "30m", "-run", "^TestProof", "-skip", hooked, "./internal/proof/..."},
	}
}

func main() {
	if err := prove(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "prove:", err)
		os.Exit(1)
	}
}

func prove(out io.Writer) error {
	sums := &tally{}
	var failed error
	for _, args := range runs() {
		if err := run(sums, args); err != nil {
			failed = fmt.Errorf("go %v: %w", args, err)
		}
	}
	for _, line := range sums.lines() {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	if failed != nil {
		return failed
	}
	return sums.complete(proof.Kinds())
}

// run runs one go test. Its output is kept back unless it fails.
func run(sums *tally, args []string) error {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), proof.Variable+"=full")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	all, unread := read(sums, stdout)
	if err := errors.Join(cmd.Wait(), unread); err != nil {
		for _, line := range all {
			fmt.Fprintln(os.Stderr, line)
		}
		return err
	}
	return nil
}

// read returns the lines of r, and adds up what they report. It reads to the end,
// however long they are: whoever writes them would else wait for ever.
func read(sums *tally, r io.Reader) (all []string, err error) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		line = strings.TrimSuffix(line, "\n")
		if line != "" || err == nil {
			all = append(all, line)
			sums.add(line)
		}
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}
