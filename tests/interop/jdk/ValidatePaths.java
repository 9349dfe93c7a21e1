import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The JDK's PKIX path builder and validator as a judge of many cases in one run.
 *
 * Standard input: lines of tab-separated NAME=VALUE, one case each: id, certificate, moment (milliseconds since 1970),
 * and as often as needed anchor, other, crl (files, DER), policy (OID); explicit=1, anypolicy=0.
 * Standard output: a line for each case: its id, a tab, and `valid` or why not.
 */
public final class ValidatePaths {
    private static final CertificateFactory FACTORY = factory();

    public static void main(String[] arguments) throws IOException {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Map<String, List<String>> fields = new HashMap<>();
            for (String field : line.split("\t")) {
                String[] parts = field.split("=", 2);
                fields.computeIfAbsent(parts[0], name -> new ArrayList<>()).add(parts[1]);
            }
            System.out.println(one(fields, "id") + "\t" + verdict(fields));
        }
    }

    private static String verdict(Map<String, List<String>> fields) throws IOException {
        try {
            X509Certificate certificate = certificate(one(fields, "certificate"));
            X509CertSelector target = new X509CertSelector();
            target.setCertificate(certificate);
            Set<TrustAnchor> anchors = new HashSet<>();
            for (String file : all(fields, "anchor")) {
                anchors.add(new TrustAnchor(certificate(file), null));
            }
            PKIXBuilderParameters parameters = new PKIXBuilderParameters(anchors, target);
            Collection<Object> store = new ArrayList<>(List.of(certificate));
            for (String file : all(fields, "other")) {
                store.add(certificate(file));
            }
            for (String file : all(fields, "crl")) {
                store.add(FACTORY.generateCRL(Files.newInputStream(Path.of(file))));
            }
            parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(store)));
            parameters.setRevocationEnabled(true);
            parameters.setMaxPathLength(-1);
            parameters.setDate(new Date(Long.parseLong(one(fields, "moment"))));
            parameters.setInitialPolicies(new HashSet<>(all(fields, "policy")));
            parameters.setExplicitPolicyRequired(fields.containsKey("explicit"));
            parameters.setAnyPolicyInhibited(fields.containsKey("anypolicy"));
            CertPathBuilder.getInstance("PKIX").build(parameters);
            return "valid";
        } catch (GeneralSecurityException error) {
            Throwable cause = error;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            return String.valueOf(cause.getMessage()).replaceAll("\\s+", " ");
        }
    }

    private static X509Certificate certificate(String file) throws IOException, GeneralSecurityException {
        Certificate read = FACTORY.generateCertificate(Files.newInputStream(Path.of(file)));
        return (X509Certificate) read;
    }

    private static String one(Map<String, List<String>> fields, String name) {
        return fields.get(name).get(0);
    }

    private static List<String> all(Map<String, List<String>> fields, String name) {
        return fields.getOrDefault(name, List.of());
    }

    private static CertificateFactory factory() {
        try {
            return CertificateFactory.getInstance("X.509");
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException(error);
        }
    }
}
