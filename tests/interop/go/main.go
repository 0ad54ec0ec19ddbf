// Command interop asks other people's implementations of the log's formats what they think of ours.
//
// It reads one JSON request from standard input and writes one JSON answer to standard output.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	cosignature "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type noteCase struct {
	Note      string   `json:"note"`
	LogKeys   []string `json:"log_keys"`
	Witnesses []string `json:"witnesses"`
}

type inclusionCase struct {
	Index uint64   `json:"index"`
	Size  uint64   `json:"size"`
	Leaf  []byte   `json:"leaf"`
	Proof [][]byte `json:"proof"`
	Root  []byte   `json:"root"`
}

type consistencyCase struct {
	Size1 uint64   `json:"size1"`
	Size2 uint64   `json:"size2"`
	Proof [][]byte `json:"proof"`
	Root1 []byte   `json:"root1"`
	Root2 []byte   `json:"root2"`
}

type tilesCase struct {
	Folder string `json:"folder"`
	Size   int64  `json:"size"`
	Root   []byte `json:"root"`
}

type request struct {
	Notes       []noteCase        `json:"notes"`
	Inclusion   []inclusionCase   `json:"inclusion"`
	Consistency []consistencyCase `json:"consistency"`
	Leaves      [][][]byte        `json:"leaves"`
	Tiles       []tilesCase       `json:"tiles"`
	Sign        []string          `json:"sign"`
}

type signed struct {
	Note       string `json:"note"`
	LogKey     string `json:"log_key"`
	WitnessKey string `json:"witness_key"`
}

// answer has "" for what was found good, else why it was refused; a note's answer is the number of its verified signatures.
type answer struct {
	Notes       []string `json:"notes"`
	Inclusion   []string `json:"inclusion"`
	Consistency []string `json:"consistency"`
	Roots       [][]byte `json:"roots"`
	Tiles       []string `json:"tiles"`
	Signed      []signed `json:"signed"`
}

func why(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func checkNote(asked noteCase) string {
	var verifiers []note.Verifier
	for _, key := range asked.LogKeys {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			return err.Error()
		}
		verifiers = append(verifiers, verifier)
	}
	for _, key := range asked.Witnesses {
		verifier, err := cosignature.NewVerifierForCosignatureV1(key)
		if err != nil {
			return err.Error()
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open([]byte(asked.Note), note.VerifierList(verifiers...))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d verified", len(opened.Sigs))
}

func rootOf(leaves [][]byte) ([]byte, error) {
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	tree := factory.NewEmptyRange(0)
	for _, leaf := range leaves {
		if err := tree.Append(rfc6962.DefaultHasher.HashLeaf(leaf), nil); err != nil {
			return nil, err
		}
	}
	if len(leaves) == 0 {
		return rfc6962.DefaultHasher.EmptyRoot(), nil
	}
	return tree.GetRootHash(nil)
}

// folderTiles reads C2SP tiles; Go's own paths differ from them only in that they name the height.
type folderTiles struct{ folder string }

func (tiles folderTiles) Height() int { return 8 }

func (tiles folderTiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (tiles folderTiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		content, err := os.ReadFile(filepath.Join(tiles.folder, strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
		if err != nil {
			return nil, err
		}
		found = append(found, content)
	}
	return found, nil
}

func bundlePath(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
}

// checkTiles reads every leaf hash through tiles that Go verifies against the root, and compares it with its entry.
func checkTiles(asked tilesCase) error {
	tree := tlog.Tree{N: asked.Size}
	copy(tree.Hash[:], asked.Root)
	reader := tlog.TileHashReader(tree, folderTiles{asked.Folder})
	for first := int64(0); first < asked.Size; first += 256 {
		width := min(256, asked.Size-first)
		bundle, err := os.ReadFile(filepath.Join(asked.Folder, bundlePath(tlog.Tile{H: 8, L: 0, N: first / 256, W: int(width)})))
		if err != nil {
			return err
		}
		for at := range width {
			hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, first+at)})
			if err != nil {
				return err
			}
			if want := tlog.RecordHash(bundle[34*at+2 : 34*at+34]); hashes[0] != want {
				return fmt.Errorf("entry %d is not what the tree commits to", first+at)
			}
		}
	}
	return nil
}

func sign(text string) (signed, error) {
	secret, logKey, err := note.GenerateKey(rand.Reader, strings.SplitN(text, "\n", 2)[0])
	if err != nil {
		return signed{}, err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return signed{}, err
	}
	secret, witnessKey, err := note.GenerateKey(rand.Reader, "go.test/witness")
	if err != nil {
		return signed{}, err
	}
	witness, err := cosignature.NewSignerForCosignatureV1(secret)
	if err != nil {
		return signed{}, err
	}
	cosigning, err := cosignature.VKeyToCosignatureV1(witnessKey)
	if err != nil {
		return signed{}, err
	}
	made, err := note.Sign(&note.Note{Text: text}, signer, witness)
	return signed{string(made), logKey, cosigning}, err
}

func answered(asked request) (answer, error) {
	var told answer
	for _, each := range asked.Notes {
		told.Notes = append(told.Notes, checkNote(each))
	}
	for _, each := range asked.Inclusion {
		err := proof.VerifyInclusion(rfc6962.DefaultHasher, each.Index, each.Size, each.Leaf, each.Proof, each.Root)
		told.Inclusion = append(told.Inclusion, why(err))
	}
	for _, each := range asked.Consistency {
		err := proof.VerifyConsistency(rfc6962.DefaultHasher, each.Size1, each.Size2, each.Proof, each.Root1, each.Root2)
		told.Consistency = append(told.Consistency, why(err))
	}
	for _, each := range asked.Leaves {
		root, err := rootOf(each)
		if err != nil {
			return told, err
		}
		told.Roots = append(told.Roots, root)
	}
	for _, each := range asked.Tiles {
		told.Tiles = append(told.Tiles, why(checkTiles(each)))
	}
	for _, text := range asked.Sign {
		made, err := sign(text)
		if err != nil {
			return told, err
		}
		told.Signed = append(told.Signed, made)
	}
	return told, nil
}

func run() error {
	var asked request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	told, err := answered(asked)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.NewEncoder(&out).Encode(told); err != nil {
		return err
	}
	_, err = os.Stdout.Write(out.Bytes())
	return err
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
