package main

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
)

const testKey = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291"

func TestEnrInspectForms(t *testing.T) {
	t.Parallel()
	r, err := enr.ParseText(goodRecord)
	if err != nil {
		t.Fatal(err)
	}
	digits, std := hex.EncodeToString(r.Bytes()), base64.StdEncoding.EncodeToString(r.Bytes())
	bare := strings.TrimPrefix(goodRecord, "enr:")
	for _, c := range []struct{ name, arg, input string }{
		{"text", goodRecord, ""}, {"without prefix", bare, ""}, {"padded", goodRecord + "==", ""},
		{"hex", digits, ""}, {"0x", "0x" + digits, ""}, {"base64", std, ""}, {"base64 with prefix", "enr:" + std, ""},
		{"file", "@" + file(t, "record", goodRecord+"\r\n"), ""}, {"bytes in a file", "@" + file(t, "raw", string(r.Bytes())), ""},
		{"standard input", "-", "\n " + digits + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := tryInput(t, c.input, "enr", "inspect", "--json", c.arg)
			if res.code != cli.ExitOK {
				t.Fatalf("%+v", res)
			}
			i := parseObjects(t, res.out)[0]
			pairs := i["pairs"].([]any)
			if i["nodeId"] != r.ID().String() || i["seq"] != 1.0 || i["valid"] != true || i["record"] != goodRecord ||
				i["ip"] != "127.0.0.1" || i["udp"] != 30303.0 || len(pairs) != 4 ||
				pairs[1].(map[string]any)["rlp"] != "847f000001" {
				t.Errorf("%v", i)
			}
		})
	}
}

func TestEnrInspectText(t *testing.T) {
	out := must(t, "enr", "inspect", goodRecord)
	for _, want := range []string{"node ID     a448f24c", "signature   valid", "127.0.0.1:30303", "rlp 82765f", goodRecord} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// inspect shows several records, also of one file. It shows a record with a bad signature too, and
// ends with code 1.
func TestEnrInspectSeveral(t *testing.T) {
	list := file(t, "list", "# two\n"+goodRecord+"\n"+goodRecord[:40]+"A"+goodRecord[41:]+"\n")
	r := try(t, "enr", "inspect", "--json", "@"+list, goodRecord)
	found := parseObjects(t, r.out)
	if r.code != cli.ExitFailed || len(found) != 3 || found[1]["valid"] != false || found[2]["valid"] != true {
		t.Errorf("%+v", r)
	}
	if r := try(t, "enr", "inspect", goodRecord, "xyz"); r.code != cli.ExitUsage || !strings.Contains(r.err, `argument 2: "xyz"`) {
		t.Errorf("%+v", r)
	}
}

func TestEnrMake(t *testing.T) {
	t.Parallel()
	text := strings.TrimSpace(must(t, "enr", "make", "--key", testKey, "--seq", "7", "--ip", "192.0.2.1", "--udp", "9000",
		"--ip6", "2001:db8::1", "--udp6", "9001", "--tcp", "30303", "--set", "client:tool", "--set", "attnets=880000000000000000"))
	r, err := enr.ParseText(text)
	if err != nil {
		t.Fatal(err)
	}
	v4, _ := r.UDPEndpoint4()
	v6, _ := r.UDPEndpoint6()
	if r.Seq() != 7 || v4.String() != "192.0.2.1:9000" || v6.String() != "[2001:db8::1]:9001" {
		t.Errorf("seq %d, %s, %s", r.Seq(), v4, v6)
	}
	next, err := enr.ParseText(strings.TrimSpace(must(t, "enr", "make", "--key", testKey, "--from", text, "--unset", "client", "--ip", "192.0.2.2")))
	if err != nil {
		t.Fatal(err)
	}
	_, client := next.Get("client")
	_, attnets := next.Get("attnets")
	if ip, _ := next.IP4(); next.Seq() != 8 || ip.String() != "192.0.2.2" || client || !attnets {
		t.Errorf("seq %d, ip %s, client %t, attnets %t", next.Seq(), ip, client, attnets)
	}
	for _, c := range []struct{ args, says string }{
		{"--ip 2001:db8::1", "--ip"}, {"--ip6 1.2.3.4", "--ip6"}, {"--udp 0", "--udp 0"}, {"--udp 70000", "--udp"},
		{"--set novalue", "--set 1"}, {"--set client:a --set x=0x8301", "--set 2"}, {"--set x=0101", "--set 1"},
		{"--set id:v4", "--set 1: signing sets key id"}, {"--set udp=00", "--set 1"}, {"--set x:" + strings.Repeat("a", 300), "larger than 300"},
		{"--from " + goodRecord[:50], "--from"},
	} {
		r := try(t, append([]string{"enr", "make", "--key", testKey}, strings.Fields(c.args)...)...)
		if r.code != cli.ExitUsage {
			t.Errorf("%s: exit code %d", c.args, r.code)
		}
		checkLine(t, r, c.says)
	}
}

func TestEnrConvert(t *testing.T) {
	t.Parallel()
	record := strings.TrimSpace(must(t, "enr", "make", "--key", testKey, "--ip", "192.0.2.1", "--udp", "9000", "--tcp", "30303"))
	url := strings.TrimSpace(must(t, "enr", "convert", record))
	if !strings.HasPrefix(url, "enode://") || !strings.HasSuffix(url, "@192.0.2.1:30303?discport=9000") {
		t.Errorf("URL %s", url)
	}
	if back := strings.TrimSpace(must(t, "enr", "convert", url, "--key", testKey)); back != record {
		t.Errorf("%s came back as %s", record, back)
	}
	for _, form := range []string{"hex", "base64", "enr", "enode"} {
		o := objects(t, "enr", "convert", record, "--to", form)[0]
		text, _ := o[map[string]string{"hex": "hex", "base64": "base64", "enr": "record", "enode": "enode"}[form]].(string)
		if text == "" {
			t.Errorf("--to %s: %v", form, o)
		} else if form != "enode" && strings.TrimSpace(must(t, "enr", "convert", "--to", "enr", text)) != record {
			t.Errorf("--to %s does not come back", form)
		}
	}
	checkLine(t, try(t, "enr", "convert", url), "not signed")
	checkLine(t, try(t, "enr", "convert", url, "--key", strings.Repeat("11", 32)), "--key is not that")
	bare := strings.TrimSpace(must(t, "enr", "make", "--key", testKey))
	checkLine(t, try(t, "enr", "convert", bare), "record has no address")
}
