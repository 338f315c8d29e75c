# The one library that applications link: the objects of all floors but the simulator. Its target is libmuster (muster
# is the program); applications call it Muster::muster, in the build tree as through find_package(Muster).
include(CMakePackageConfigHelpers)

get_property(folders GLOBAL PROPERTY MUSTER_FOLDERS)
list(REMOVE_ITEM folders muster_sim)

set(objects "")
set(outside "")
foreach(folder IN LISTS folders)
    list(APPEND objects $<TARGET_OBJECTS:${folder}>)
    get_target_property(links ${folder} LINK_LIBRARIES)
    if(links)
        list(APPEND outside ${links})
    endif()
endforeach()
list(FILTER outside EXCLUDE REGEX "^muster_")
list(REMOVE_DUPLICATES outside)

add_library(libmuster ${objects})  # static; shared with BUILD_SHARED_LIBS
add_library(Muster::muster ALIAS libmuster)
set_target_properties(libmuster PROPERTIES OUTPUT_NAME muster EXPORT_NAME muster LINKER_LANGUAGE CXX
                      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_include_directories(libmuster PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
# Public headers name Boost only; the rest is needed for linking, and not at all with a shared library.
target_link_libraries(libmuster PUBLIC Boost::headers Threads::Threads PRIVATE ${outside})
muster_common(libmuster)

install(TARGETS libmuster EXPORT MusterTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/muster DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Muster)
get_target_property(MUSTER_LIBRARY_TYPE libmuster TYPE)
configure_package_config_file(cmake/MusterConfig.cmake.in ${PROJECT_BINARY_DIR}/MusterConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/MusterConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/MusterConfig.cmake ${PROJECT_BINARY_DIR}/MusterConfigVersion.cmake
        DESTINATION ${package_dir})
install(EXPORT MusterTargets NAMESPACE Muster:: DESTINATION ${package_dir})
