package manifests

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const file = "kubernetes.yaml"

// manifest is what a file holds.
type manifest struct {
	sets     []*appsv1.StatefulSet
	services []*corev1.Service
}

// parse decodes a file. A field that the API does not have, a key that stands twice, and a kind
// that this test does not know are errors.
func parse(text []byte) (m manifest, err error) {
	r := yamlutil.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for i := 1; ; i++ {
		document, err := r.Read()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return m, fmt.Errorf("document %d: %w", i, err)
		}
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			return m, fmt.Errorf("document %d: %w", i, err)
		}
		switch kind {
		case metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"}:
			set := new(appsv1.StatefulSet)
			m.sets = append(m.sets, set)
			err = yaml.UnmarshalStrict(document, set)
		case metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}:
			service := new(corev1.Service)
			m.services = append(m.services, service)
			err = yaml.UnmarshalStrict(document, service)
		default:
			err = fmt.Errorf("unknown kind %s of %s", kind.Kind, kind.APIVersion)
		}
		if err != nil {
			return m, fmt.Errorf("document %d: %w", i, err)
		}
	}
}

// check returns what the API server, or the cluster later, would not accept although each field is
// of the right type.
func (m manifest) check() (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for _, set := range m.sets {
		for _, text := range validation.IsDNS1123Label(set.Name) {
			fault("name %q: %s", set.Name, text)
		}
		pod := set.Spec.Template
		selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
		switch {
		case err != nil:
			fault("selector: %v", err)
		case selector.Empty() || !selector.Matches(labels.Set(pod.Labels)):
			fault("selector %s does not match the labels %v of the pod", selector, pod.Labels)
		}
		for key, value := range pod.Labels {
			for _, text := range slices.Concat(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)) {
				fault("label %s=%s: %s", key, value, text)
			}
		}
		if !slices.ContainsFunc(m.services, func(s *corev1.Service) bool {
			return s.Name == set.Spec.ServiceName && s.Spec.ClusterIP == corev1.ClusterIPNone
		}) {
			fault("there is no headless service %q", set.Spec.ServiceName)
		}
		if len(pod.Spec.Containers) == 0 {
			fault("no container")
		}
		for i := range pod.Spec.Containers {
			faults = append(faults, checkContainer(set, &pod.Spec.Containers[i])...)
		}
	}
	for _, service := range m.services {
		faults = append(faults, m.checkService(service)...)
	}
	if len(m.sets) == 0 {
		fault("no StatefulSet")
	}
	return faults
}

func checkContainer(set *appsv1.StatefulSet, c *corev1.Container) (faults []string) {
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Sprintf("container "+c.Name+": "+format, args...))
	}
	pod := set.Spec.Template.Spec
	if c.Image == "" {
		fault("no image")
	}
	var names []string
	for _, p := range c.Ports {
		names = append(names, p.Name)
		for _, text := range slices.Concat(validation.IsValidPortName(p.Name), validation.IsValidPortNum(int(p.ContainerPort))) {
			fault("port %s: %s", p.Name, text)
		}
		if p.Protocol != corev1.ProtocolTCP && p.Protocol != corev1.ProtocolUDP {
			fault("port %s: protocol %q", p.Name, p.Protocol)
		}
		if pod.HostNetwork && p.HostPort != p.ContainerPort {
			fault("port %s: with hostNetwork, hostPort %d must be containerPort %d", p.Name, p.HostPort, p.ContainerPort)
		}
	}
	for _, probe := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if probe == nil || probe.HTTPGet == nil {
			continue
		}
		if port := probe.HTTPGet.Port; port.Type == intstr.String && !slices.Contains(names, port.StrVal) {
			fault("a probe names port %q, not one of %q", port.StrVal, names)
		}
		if !strings.HasPrefix(probe.HTTPGet.Path, "/") {
			fault("a probe asks for %q", probe.HTTPGet.Path)
		}
	}
	for _, mount := range c.VolumeMounts {
		named := slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name }) ||
			slices.ContainsFunc(set.Spec.VolumeClaimTemplates, func(v corev1.PersistentVolumeClaim) bool { return v.Name == mount.Name })
		if !named || !filepath.IsAbs(mount.MountPath) {
			fault("volume %q at %q", mount.Name, mount.MountPath)
		}
	}
	seen := make(map[string]bool)
	for _, env := range c.Env {
		if seen[env.Name] || len(validation.IsEnvVarName(env.Name)) > 0 || env.Value != "" && env.ValueFrom != nil {
			fault("variable %q", env.Name)
		}
		for _, reference := range strings.Split(env.Value, "$(")[1:] { // only variables above count
			if name, _, _ := strings.Cut(reference, ")"); !seen[name] {
				fault("variable %q refers to %q, which is not set before it", env.Name, name)
			}
		}
		seen[env.Name] = true
	}
	for name, limit := range c.Resources.Limits {
		if request, ok := c.Resources.Requests[name]; ok && request.Cmp(limit) > 0 {
			fault("request of %s %s over the limit of %s", name, request.String(), limit.String())
		}
	}
	return faults
}

func (m manifest) checkService(s *corev1.Service) (faults []string) {
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Sprintf("service "+s.Name+": "+format, args...))
	}
	for _, text := range validation.IsDNS1035Label(s.Name) {
		fault("name: %s", text)
	}
	selector := labels.SelectorFromSet(s.Spec.Selector)
	for _, port := range s.Spec.Ports {
		target := port.TargetPort
		found := slices.ContainsFunc(m.sets, func(set *appsv1.StatefulSet) bool {
			return selector.Matches(labels.Set(set.Spec.Template.Labels)) &&
				slices.ContainsFunc(set.Spec.Template.Spec.Containers, func(c corev1.Container) bool {
					return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool {
						return p.Protocol == port.Protocol && (p.Name == target.StrVal || p.ContainerPort == target.IntVal)
					})
				})
		})
		if !found {
			fault("port %s: no pod has the port %s", port.Name, target.String())
		}
	}
	return faults
}

func read(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The file decodes strictly into the types of the API, and its parts refer to each other.
func TestKubernetes(t *testing.T) {
	m, err := parse(read(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.check() {
		t.Error(f)
	}
	if len(m.sets) != 1 || len(m.services) != 1 {
		t.Errorf("%d stateful sets, %d services", len(m.sets), len(m.services))
	}
}

// A pod runs with as few rights as the restricted profile of Kubernetes asks for, apart from the
// network of the host.
func TestKubernetesRights(t *testing.T) {
	m, err := parse(read(t))
	if err != nil {
		t.Fatal(err)
	}
	yes, no := func(b *bool) bool { return b != nil && *b }, func(b *bool) bool { return b != nil && !*b }
	for _, set := range m.sets {
		pod := set.Spec.Template.Spec
		s := pod.SecurityContext
		if s == nil || !yes(s.RunAsNonRoot) || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || !no(pod.AutomountServiceAccountToken) || pod.HostPID || pod.HostIPC {
			t.Error("the pod has rights that it does not need")
		}
		for _, c := range pod.Containers {
			s := c.SecurityContext
			if s == nil || !no(s.AllowPrivilegeEscalation) || !yes(s.ReadOnlyRootFilesystem) || s.Capabilities == nil ||
				!slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 || yes(s.Privileged) {
				t.Errorf("container %s has rights that it does not need", c.Name)
			}
		}
	}
}

// Each kind of mistake is found.
func TestMistakes(t *testing.T) {
	good := string(read(t))
	for _, tt := range []struct{ name, old, replacement, want string }{
		{"misspelled field", "replicas: 1", "replica: 1", `unknown field "replica"`},
		{"field of another level", "hostNetwork: true", "hostNetwork: true\n      readOnlyRootFilesystem: true", "unknown field"},
		{"key twice", "replicas: 1", "replicas: 1\n  replicas: 2", "already set in map"},
		{"wrong type", "replicas: 1", `replicas: "one"`, "cannot unmarshal"},
		{"quantity", "memory: 1Gi", "memory: 1gigabyte", "quantities must match"},
		{"unknown kind", "kind: Service", "kind: Servce", "unknown kind Servce"},
		{"old version", "apiVersion: apps/v1", "apiVersion: apps/v1beta1", "unknown kind StatefulSet of apps/v1beta1"},
		{"no port of that name", "path: /healthz, port: metrics", "path: /healthz, port: metric", "a probe names port"},
		{"no such volume", "{name: data, mountPath: /data}", "{name: date, mountPath: /data}", `volume "date"`},
		{"labels", "matchLabels: {app.kubernetes.io/name: bootnode}", "matchLabels: {app.kubernetes.io/name: bootnodes}", "does not match the labels"},
		{"service name", "serviceName: bootnode", "serviceName: bootnodes", "no headless service"},
		{"host port", "containerPort: 9000, hostPort: 9000", "containerPort: 9000, hostPort: 9001", "must be containerPort"},
		{"port number", "containerPort: 9000, hostPort: 9000", "containerPort: 90000, hostPort: 90000", "must be between 1 and 65535"},
		{"variable", "$(POD_IP)", "$(PODIP)", `refers to "PODIP"`},
		{"request over limit", "memory: 256Mi", "memory: 256Gi", "over the limit"},
		{"service port", "targetPort: metrics", "targetPort: 1234", "no pod has the port 1234"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := strings.Replace(good, tt.old, tt.replacement, 1)
			if bad == good {
				t.Fatalf("%q is not in the file", tt.old)
			}
			m, err := parse([]byte(bad))
			got := strings.Join(m.check(), "; ")
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q in it", got, tt.want)
			}
		})
	}
}
