// Saxon-HE on the JVM, warmed: documents a second of one core, bytes in, bytes out. Arguments: STYLESHEET FOLDER OUTPUT
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.xml.transform.Templates;
import javax.xml.transform.stream.StreamResult;
import javax.xml.transform.stream.StreamSource;

class Saxon {
    static final double WARMING = 12.0, SECONDS = 2.0;

    static double seconds() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9;
    }

    static byte[] transform(Templates templates, byte[] document) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream(8192);
        templates.newTransformer().transform(new StreamSource(new ByteArrayInputStream(document)), new StreamResult(out));
        return out.toByteArray();
    }

    static double round(Templates templates, List<byte[]> documents, double length) throws Exception {
        int count = 0;
        double began = seconds();
        while (seconds() - began < length) {
            for (byte[] document : documents) {
                transform(templates, document);
            }
            count += documents.size();
        }
        return count / (seconds() - began);
    }

    public static void main(String[] arguments) throws Exception {
        List<byte[]> documents = new ArrayList<>();
        try (var files = Files.list(Path.of(arguments[1]))) {
            for (Path file : files.filter(file -> file.toString().endsWith(".xml")).sorted().toList()) {
                documents.add(Files.readAllBytes(file));
            }
        }
        Templates templates = new net.sf.saxon.TransformerFactoryImpl().newTemplates(new StreamSource(Path.of(arguments[0]).toFile()));
        Files.write(Path.of(arguments[2]), transform(templates, documents.get(0)));
        round(templates, documents, WARMING);
        double[] rates = new double[5];
        for (int at = 0; at < rates.length; at++) {
            rates[at] = round(templates, documents, SECONDS);
        }
        Arrays.sort(rates);
        System.out.println(rates[rates.length / 2]);
    }
}
