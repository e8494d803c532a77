import static java.lang.constant.ConstantDescs.CD_Object;
import static java.lang.constant.ConstantDescs.CD_boolean;
import static java.lang.constant.ConstantDescs.CD_int;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.Attributes;
import java.lang.classfile.ClassBuilder;
import java.lang.classfile.ClassElement;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFile.ClassHierarchyResolverOption;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.CodeElement;
import java.lang.classfile.CodeModel;
import java.lang.classfile.CodeTransform;
import java.lang.classfile.MethodModel;
import java.lang.classfile.MethodTransform;
import java.lang.classfile.Opcode;
import java.lang.classfile.TypeKind;
import java.lang.classfile.attribute.RecordAttribute;
import java.lang.classfile.attribute.RecordComponentInfo;
import java.lang.classfile.instruction.InvokeDynamicInstruction;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDesc;
import java.lang.constant.MethodTypeDesc;
import java.lang.reflect.AccessFlag;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;

/**
 * Writes out, in the classes of jars, what the compiler leaves to the first run: {@code equals} and {@code hashCode} of records, and the choice of a
 * pattern switch. Each such place spins classes and method handles when it is first reached, half a millisecond to two, and nothing of that goes into a
 * start-up cache (JDK 25). Meaning and result are those of {@code java.lang.runtime.ObjectMethods} and {@code SwitchBootstraps}; a place of another
 * form stays as it is. Every class that was changed is verified.
 *
 * <pre>java packaging/PlainCode.java LIBRARIES JAR...</pre>
 *
 * LIBRARIES is the directory of all jars, where types are looked up.
 */
public final class PlainCode {
    private static final String OBJECT_METHODS = "java/lang/runtime/ObjectMethods";
    private static final String SWITCHES = "java/lang/runtime/SwitchBootstraps";
    private static final ClassDesc OBJECTS = ClassDesc.of("java.util.Objects");
    private static final int HASH_FACTOR = 31;

    private final ClassFile files;
    private int methods;
    private int switches;

    private PlainCode(ClassLoader libraries) {
        ClassHierarchyResolver types =
                ClassHierarchyResolver.ofResourceParsing(libraries).orElse(ClassHierarchyResolver.defaultResolver());
        files = ClassFile.of(ClassHierarchyResolverOption.of(types.cached()));
    }

    public static void main(String[] arguments) throws IOException {
        if (arguments.length < 2) {
            System.err.println("usage: java PlainCode.java LIBRARIES JAR...");
            System.exit(2);
        }
        List<URL> libraries = new ArrayList<>();
        try (Stream<Path> jars = Files.list(Path.of(arguments[0]))) {
            for (Path jar : jars.filter(file -> file.toString().endsWith(".jar")).toList()) {
                libraries.add(jar.toUri().toURL());
            }
        }
        try (URLClassLoader loader = new URLClassLoader(libraries.toArray(URL[]::new))) {
            PlainCode plain = new PlainCode(loader);
            for (String jar : List.of(arguments).subList(1, arguments.length)) {
                plain.rewrite(Path.of(jar));
            }
            System.err.println("written out: " + plain.methods + " methods of records, " + plain.switches + " switches");
        }
    }

    private void rewrite(Path path) throws IOException {
        Path next = path.resolveSibling(path.getFileName() + ".next");
        try (JarFile jar = new JarFile(path.toFile());
                JarOutputStream out = new JarOutputStream(Files.newOutputStream(next))) {
            for (JarEntry entry : jar.stream().toList()) {
                byte[] bytes;
                try (InputStream in = jar.getInputStream(entry)) {
                    bytes = in.readAllBytes();
                }
                JarEntry copy = new JarEntry(entry.getName());
                copy.setTimeLocal(entry.getTimeLocal());
                out.putNextEntry(copy);
                out.write(entry.getName().endsWith(".class") ? rewrite(entry.getName(), bytes) : bytes);
                out.closeEntry();
            }
        }
        Files.move(next, path, StandardCopyOption.REPLACE_EXISTING);
    }

    private byte[] rewrite(String name, byte[] before) {
        ClassModel model = files.parse(before);
        int already = methods + switches;
        List<TypeSwitch> found = new ArrayList<>();
        byte[] after = files.transformClass(model, (out, element) -> rewrite(model, found, out, element));
        if (methods + switches == already) {
            return before;
        }
        List<VerifyError> errors = files.verify(after);
        if (!errors.isEmpty()) {
            throw new IllegalStateException(name + ": " + errors);
        }
        return after;
    }

    private void rewrite(ClassModel model, List<TypeSwitch> found, ClassBuilder out, ClassElement element) {
        if (!(element instanceof MethodModel method) || method.code().isEmpty()) {
            out.with(element);
            return;
        }
        CodeModel code = method.code().get();
        String generated = generatedMethod(code);
        List<RecordComponentInfo> components = model.findAttribute(Attributes.record())
                .map(RecordAttribute::components)
                .orElse(List.of());
        if (generated.equals("equals") || generated.equals("hashCode")) {
            methods++;
            ClassDesc type = model.thisClass().asSymbol();
            // Instead of the first of its instructions; the others are left out.
            CodeTransform instead = CodeTransform.ofStateful(() -> new CodeTransform() {
                private boolean written;

                @Override
                public void accept(CodeBuilder builder, CodeElement instruction) {
                    if (!written && generated.equals("equals")) {
                        writeEquals(builder, type, components);
                    } else if (!written) {
                        writeHashCode(builder, type, components);
                    }
                    written = true;
                }
            });
            out.transformMethod(method, MethodTransform.transformingCode(instead));
            return;
        }
        if (code.elementStream().noneMatch(PlainCode::isTypeSwitch)) {
            out.with(method);
            return;
        }
        boolean ofInterface = model.flags().has(AccessFlag.INTERFACE);
        List<TypeSwitch> here = new ArrayList<>();
        out.transformMethod(method, MethodTransform.transformingCode((builder, instruction) -> {
            if (!isTypeSwitch(instruction)) {
                builder.with(instruction);
                return;
            }
            InvokeDynamicInstruction call = (InvokeDynamicInstruction) instruction;
            TypeSwitch made = new TypeSwitch("typeSwitch$" + (found.size() + here.size()), call.typeSymbol(), types(call));
            here.add(made);
            builder.invokestatic(model.thisClass().asSymbol(), made.name(), made.signature(), ofInterface);
        }));
        for (TypeSwitch made : here) {
            switches++;
            found.add(made);
            int flags = ClassFile.ACC_PRIVATE | ClassFile.ACC_STATIC | ClassFile.ACC_SYNTHETIC;
            out.withMethodBody(made.name(), made.signature(), flags, builder -> write(builder, made));
        }
    }

    /** A method that chooses among types. */
    private record TypeSwitch(String name, MethodTypeDesc signature, List<ClassDesc> types) {}

    /** The name that the compiler asks the runtime to make a record's method for; empty when the code does something else. */
    private static String generatedMethod(CodeModel code) {
        for (var element : code) {
            if (element instanceof InvokeDynamicInstruction call
                    && call.bootstrapMethod().owner().descriptorString().equals("L" + OBJECT_METHODS + ";")) {
                return call.name().stringValue();
            }
        }
        return "";
    }

    private static boolean isTypeSwitch(Object element) {
        return element instanceof InvokeDynamicInstruction call
                && call.bootstrapMethod().owner().descriptorString().equals("L" + SWITCHES + ";")
                && call.name().equalsString("typeSwitch")
                && call.bootstrapArgs().stream().allMatch(PlainCode::isReferenceType);
    }

    private static boolean isReferenceType(ConstantDesc label) {
        return label instanceof ClassDesc type && !type.isPrimitive();
    }

    private static List<ClassDesc> types(InvokeDynamicInstruction call) {
        return call.bootstrapArgs().stream().map(ClassDesc.class::cast).toList();
    }

    /** The place of the first type from {@code restart} on that the target is of, their number when it is of none, -1 for null. */
    private static void write(CodeBuilder code, TypeSwitch made) {
        int restart = code.parameterSlot(1);
        code.aload(0).ifThen(Opcode.IFNULL, isNull -> isNull.iconst_m1().ireturn());
        for (int i = 0; i < made.types().size(); i++) {
            int place = i;
            ClassDesc type = made.types().get(i);
            code.iload(restart).loadConstant(place).ifThen(
                    Opcode.IF_ICMPLE,
                    due -> due.aload(0).instanceOf(type).ifThen(is -> is.loadConstant(place).ireturn()));
        }
        code.loadConstant(made.types().size()).ireturn();
    }

    private static void writeEquals(CodeBuilder code, ClassDesc type, List<RecordComponentInfo> components) {
        code.aload(0).aload(1).ifThen(Opcode.IF_ACMPEQ, same -> same.iconst_1().ireturn());
        code.aload(1).instanceOf(type).ifThen(Opcode.IFEQ, other -> other.iconst_0().ireturn());
        code.aload(1).checkcast(type).astore(2);
        for (RecordComponentInfo component : components) {
            ClassDesc of = component.descriptorSymbol();
            String name = component.name().stringValue();
            code.aload(0).getfield(type, name, of).aload(2).getfield(type, name, of);
            TypeKind kind = TypeKind.from(of).asLoadable();
            switch (kind) {
                case REFERENCE ->
                    code.invokestatic(OBJECTS, "equals", MethodTypeDesc.of(CD_boolean, CD_Object, CD_Object))
                            .ifThen(Opcode.IFEQ, differs -> differs.iconst_0().ireturn());
                case INT ->
                    code.ifThen(Opcode.IF_ICMPNE, differs -> differs.iconst_0().ireturn());
                case LONG ->
                    code.lcmp().ifThen(Opcode.IFNE, differs -> differs.iconst_0().ireturn());
                default ->
                    // As Double.compare and Float.compare see them: NaN equals NaN, and the zeros differ.
                    code.invokestatic(boxOf(of), "compare", MethodTypeDesc.of(CD_int, of, of))
                            .ifThen(Opcode.IFNE, differs -> differs.iconst_0().ireturn());
            }
        }
        code.iconst_1().ireturn();
    }

    private static void writeHashCode(CodeBuilder code, ClassDesc type, List<RecordComponentInfo> components) {
        code.iconst_0();
        for (RecordComponentInfo component : components) {
            ClassDesc of = component.descriptorSymbol();
            code.loadConstant(HASH_FACTOR).imul();
            code.aload(0).getfield(type, component.name().stringValue(), of);
            if (of.isPrimitive()) {
                code.invokestatic(boxOf(of), "hashCode", MethodTypeDesc.of(CD_int, of));
            } else {
                code.invokestatic(OBJECTS, "hashCode", MethodTypeDesc.of(CD_int, CD_Object));
            }
            code.iadd();
        }
        code.ireturn();
    }

    private static ClassDesc boxOf(ClassDesc primitive) {
        return ClassDesc.of("java.lang." + switch (primitive.displayName()) {
            case "int" -> "Integer";
            case "char" -> "Character";
            default -> {
                String name = primitive.displayName();
                yield Character.toUpperCase(name.charAt(0)) + name.substring(1);
            }
        });
    }
}
